// r: what Rust's standard library makes of threads, unwinding, time and files.
use std::collections::HashMap;
use std::sync::{atomic::*, mpsc, Arc, Barrier, Condvar, Mutex, RwLock};
use std::{io, panic, thread, time::*};

thread_local! { static LOCAL: std::cell::Cell<u32> = std::cell::Cell::new(7); }

fn channels() {
    let (tx, rx) = mpsc::channel();
    let senders: Vec<_> = (0..16u64)
        .map(|i| {
            let tx = tx.clone();
            thread::spawn(move || {
                LOCAL.with(|c| c.set(i as u32));
                for k in 0..500 {
                    tx.send(i * 1000 + k).unwrap();
                }
                LOCAL.with(|c| c.get())
            })
        })
        .collect();
    drop(tx);
    let sum: u64 = rx.iter().sum();
    assert_eq!(sum, (0..16u64).map(|i| i * 1000 * 500 + 499 * 250).sum());
    for (i, s) in senders.into_iter().enumerate() {
        assert_eq!(s.join().unwrap(), i as u32);
    }
    let (tx, rx) = mpsc::sync_channel(1);
    let sender = thread::spawn(move || (0..5000).for_each(|i| tx.send(i).unwrap()));
    assert_eq!(rx.iter().collect::<Vec<i32>>(), (0..5000).collect::<Vec<i32>>());
    sender.join().unwrap();
}

fn unwinding() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    for i in 0..1000 {
        assert!(panic::catch_unwind(|| panic!("{}", i)).is_err());
    }
    let empty: Vec<i32> = vec![];
    assert!(thread::spawn(move || empty[std::env::args().count()]).join().is_err());
    panic::set_hook(hook);
}

fn time() {
    let start = Instant::now();
    thread::sleep(Duration::from_millis(50));
    assert!(start.elapsed() >= Duration::from_millis(50));
    assert!(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() > 1_600_000_000);
    let (_tx, rx) = mpsc::channel::<()>();
    assert!(rx.recv_timeout(Duration::from_millis(30)).is_err());
}

fn locks() {
    let m = Arc::new((Mutex::new(0u64), Condvar::new()));
    for _ in 0..8 {
        let m = m.clone();
        thread::spawn(move || {
            for _ in 0..5000 {
                *m.0.lock().unwrap() += 1;
                m.1.notify_all();
            }
        });
    }
    let mut n = m.0.lock().unwrap();
    while *n < 40000 {
        n = m.1.wait(n).unwrap();
    }
    let (map, barrier, read) = (RwLock::new(HashMap::new()), Barrier::new(6), AtomicUsize::new(0));
    thread::scope(|s| {
        for i in 0..6 {
            let (map, barrier, read) = (&map, &barrier, &read);
            s.spawn(move || {
                for k in 0..300 {
                    if k % 3 == 0 {
                        map.write().unwrap().insert(i * 1000 + k, k);
                    } else {
                        read.fetch_add(map.read().unwrap().len(), Ordering::Relaxed);
                    }
                }
                barrier.wait();
                thread::park_timeout(Duration::from_millis(5));
            });
        }
    });
    assert_eq!(map.read().unwrap().len(), 600);
}

fn files() {
    assert!(thread::available_parallelism().unwrap().get() >= 1);
    assert_eq!(std::env::current_dir().unwrap().to_str(), Some("/"));
    assert_eq!(std::fs::read("/nonexistent").unwrap_err().kind(), io::ErrorKind::NotFound);
    assert!(std::fs::read_dir("/").unwrap().count() > 0);
    assert!(std::fs::metadata("/").unwrap().is_dir());
}

fn deep_stack() {
    fn f(n: u32) -> u64 {
        let mut a = [n as u64; 100];
        // Written as volatile, or the array is optimised away.
        unsafe { std::ptr::write_volatile(&mut a[99], n as u64) };
        if n == 0 { a[99] } else { f(n - 1) + a[99] }
    }
    let t = thread::Builder::new().stack_size(64 << 20).spawn(|| f(50000)).unwrap();
    assert_eq!(t.join().unwrap(), 50000 * 50001 / 2);
}

fn main() {
    let parts: [(&str, fn()); 6] = [
        ("channels", channels),
        ("unwinding", unwinding),
        ("time", time),
        ("locks", locks),
        ("files", files),
        ("deep stack", deep_stack),
    ];
    for (name, part) in parts {
        part(); // ends the process if it fails
        println!("ok {}", name);
    }
    println!("done, 0 failed");
}
