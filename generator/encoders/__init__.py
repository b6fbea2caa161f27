"""Image-text encoders (CLIP) from open_clip: found, fetched, loaded, shared, and differentiable in the images."""
