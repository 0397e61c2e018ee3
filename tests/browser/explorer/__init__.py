"""The explorer driven as people drive it."""
