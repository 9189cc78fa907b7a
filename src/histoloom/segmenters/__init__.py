"""What finds nuclei in pictures: one file per architecture, instances, and whole pictures of any size."""
