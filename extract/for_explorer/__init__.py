"""What the explorer is handed of extraction: the media files of a store's videos, and new words for its encoder."""
