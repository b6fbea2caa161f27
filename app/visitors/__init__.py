"""What a visitor brings, and what is kept for them: each thing has an owner and an end.

- `data_dir`: where everything lies. `uploads` keeps the pictures that came along, each for its owner; `upload_files`
  are files on their way; `visitor` tells addresses apart.
- `exports` puts results into one file to take along; `vocabulary` is the words that a small CLIP knows.
"""
