"""Equilibria, one-parameter diagrams, two-parameter curves of special points, and their result types."""
