"""Training of nano, the small Moshi checkpoint set that ships with the package. See README.md."""
