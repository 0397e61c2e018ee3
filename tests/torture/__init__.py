"""Several nodes on one store that are killed at random moments, and what must hold afterwards."""
