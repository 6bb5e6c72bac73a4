// rustthreads: 1000 threads at once, each with a stack and a signal stack.
use std::{thread, time::Duration};

fn main() {
    let threads: Vec<_> = (0..1000)
        .map(|i| {
            let sleeper = move || {
                thread::sleep(Duration::from_millis(300));
                i
            };
            thread::Builder::new().stack_size(32 << 10).spawn(sleeper).expect("spawn")
        })
        .collect();
    let sum: u32 = threads.into_iter().map(|t| t.join().unwrap()).sum();
    assert_eq!(sum, 1000 * 999 / 2);
    println!("ok threads\ndone, 0 failed");
}
