"""What people bring: `photos` finds the photos in folders, `label_files` reads which class each shows."""
