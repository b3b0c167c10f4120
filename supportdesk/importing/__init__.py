"""Loading what another system exported: read a CSV, say what is wrong with which row, write the rest in batches."""
