"""The gallery: every sample file as the archive renders it, to be looked at by people (`make gallery`)."""
