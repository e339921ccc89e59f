//! Operations of any picture program: colour, blending, blurs, geometry.
