//! Defects that change from frame to frame: dust, scratches, flicker, weave, dot crawl.
