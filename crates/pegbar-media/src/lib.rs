//! Video through ffmpeg and ffprobe as processes, and still image files.
