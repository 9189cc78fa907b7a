"""Networks of the published systems, one file each, and the layers that they share; importing them imports torch."""
