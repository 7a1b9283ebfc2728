"""Trending papers in your inbox: collect, rank, render and deliver a different digest for every subscriber."""

__version__ = "0.1.0"
