"""Marked personal values, driven through the whole product, and looked for wherever none of them may be."""
