//! One declaration of a parameter.
