"""Nova's compute driver of the embedded cloud: a server is a Debian container on an image of Glance."""
