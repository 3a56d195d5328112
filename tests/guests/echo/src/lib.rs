//! Gives back the values that it gets.

mod bindings {
    #![allow(missing_docs, reason = "the interfaces document themselves")]
    wit_bindgen::generate!({ path: "wit", world: "near", generate_all });
}

use bindings::exports::vesicle::echo::echo::{All, Colour, Few, Guest, Many, Point, Shape};

/// Seventeen scalars.
type Scalars = (
    u8,
    u16,
    u32,
    u64,
    i8,
    i16,
    i32,
    i64,
    f32,
    f64,
    char,
    bool,
    u8,
    u16,
    u32,
    u64,
    i8,
);

struct Echo;

impl Guest for Echo {
    fn points(x: Vec<Point>) -> Vec<Point> {
        x
    }

    fn figure(x: Shape) -> Shape {
        x
    }

    fn hue(x: Colour) -> Colour {
        x
    }

    fn marks(x: Few) -> Few {
        x
    }

    fn signs(x: Many) -> Many {
        x
    }

    fn maybe(x: Option<u64>) -> Option<u64> {
        x
    }

    fn outcome(x: Result<f32, String>) -> Result<f32, String> {
        x
    }

    fn everything(x: All) -> All {
        x
    }

    fn wide(
        a: All,
        b: String,
        c: Vec<All>,
        d: u8,
        e: Shape,
        f: f64,
    ) -> (All, String, Vec<All>, u8, Shape, f64) {
        (a, b, c, d, e, f)
    }

    fn scalars(
        a: u8,
        b: u16,
        c: u32,
        d: u64,
        e: i8,
        f: i16,
        g: i32,
        h: i64,
        i: f32,
        j: f64,
        k: char,
        l: bool,
        m: u8,
        n: u16,
        o: u32,
        p: u64,
        q: i8,
    ) -> Scalars {
        (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q)
    }
}

bindings::export!(Echo with_types_in bindings);
