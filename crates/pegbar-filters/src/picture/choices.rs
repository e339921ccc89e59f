//! One declaration for the choices of a parameter: the enum, the ids as typed and stored, and their documentation.

macro_rules! choices {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $id:literal, $doc:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = $doc] $variant,)+
        }

        impl $name {
            /// Every choice, in the order shown to users.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Ids and documentation for a table of parameters.
            pub const CHOICES: &'static [pegbar_params::Choice] =
                &[$(pegbar_params::Choice { id: $id, doc: $doc },)+];

            /// The choice of an id.
            pub fn from_id(id: &str) -> Option<Self> {
                Self::CHOICES.iter().position(|c| c.id == id).map(|i| Self::ALL[i])
            }

            /// The choice a parameter holds; the table lets no other id through.
            pub(crate) fn of(values: &pegbar_params::ParamValues, param: &str) -> Self {
                let id = values.text(param);
                Self::from_id(id).unwrap_or_else(|| panic!("{param} is declared with another list than {id}"))
            }
        }
    };
}

pub(crate) use choices;
