//! Makes the host hold more and more, one way each, until it hangs up.

use wasip2::io::streams::{InputStream, OutputStream};

use crate::{messages, write};

/// More than any host should let it.
const MANY: u32 = 1_000_000;

/// Piles up what the word says, and reads all that is answered.
pub fn pile(what: &str, input: &InputStream, output: &OutputStream) {
    write(output, &messages::bootstrap(0)).expect("an output");
    let large = "x".repeat(1 << 20);
    for number in 1..MANY {
        let piece = match what {
            "pile-calls" => messages::echo_there(number, ""),
            "pile-bytes" => messages::echo_there(number, &large),
            "pile-answers" => messages::graft(number),
            "pile-sessions" => [messages::graft(number), messages::finish(number)].concat(),
            "pile-given-up" => {
                [messages::echo_there(number, ""), messages::finish(number)].concat()
            }
            "pile-capabilities" => messages::hand_over(number, number * 100, 100),
            "pile-in-one" => messages::hand_over(number, 0, 1_000_000),
            "pile-kept" => messages::graft_kept(number),
            what => panic!("no such pile: {what}"),
        };
        let goes_on = write(output, &piece).is_ok() && input.read(1 << 20).is_ok();
        if !goes_on {
            println!("hung up on");
            return;
        }
    }
    println!("piled up {MANY}");
}
