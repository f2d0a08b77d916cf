"""Figures by matplotlib: the panel of one picture, and the plots of each stage."""
