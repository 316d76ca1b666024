//! Helpers for what Go's templates do with methods and variables.

use handlebars::{Handlebars, JsonTruthy as _};

use super::{function, markup};
use crate::telegram::markup::escape;

pub fn register(handlebars: &mut Handlebars<'_>) {
    function(handlebars, "choose", |arguments| {
        let index = if arguments.value(0).is_truthy(false) { 1 } else { 2 };
        Ok(arguments.value(index).clone())
    });
    markup(handlebars, "attribute", |arguments| escape(&arguments.text(0)));
}
