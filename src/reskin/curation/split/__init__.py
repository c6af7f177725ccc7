"""Parting a dataset into train, val and test without leaks."""
