"""From decoded samples to a picture that can be looked at (PS3.4 N.2, PS3.18 8.3.5)."""
