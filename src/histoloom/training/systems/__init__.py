"""The systems that can be trained, one file each; their networks lie in `histoloom.generators.networks`."""
