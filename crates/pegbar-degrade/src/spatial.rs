//! Defects that a single frame shows: halos, shifted chroma, banding.
