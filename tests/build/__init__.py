"""Makers of what tests need: DICOM files, and the way to the sample data."""
