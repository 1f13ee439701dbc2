"""What an extraction of any size will cost, before its first video is read: ``avreplay plan``."""
