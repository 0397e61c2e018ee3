"""What lies over the pixels and how they are laid out: overlays, presentation states, annotation (PS3.4 N.2)."""
