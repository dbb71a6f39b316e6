use super::block::{ALLOCATORS, WIDE};
use super::*;
use crate::prefetch::LINE;
use std::sync::Arc;

#[test]
fn recycles_only_when_no_clone_is_left() {
    let mut buffer = UniqueBuffer::new(8, 7u32);
    buffer.resize(3).copy_from_slice(b"abc");
    let shared = buffer.share();
    let clone = shared.clone();
    let shared = shared.into_unique().unwrap_err();
    assert_eq!((clone.bytes(), *clone), (&b"abc"[..], 7));
    drop(shared);
    let mut again = clone.into_unique().unwrap();
    *again = 8;
    assert_eq!(again.resize(8), b"abc\0\0\0\0\0");
    assert_eq!(*again.share(), 8);
}

#[test]
fn the_header_is_dropped_once() {
    let witness = Arc::new(());
    let a = UniqueBuffer::new(0, Arc::clone(&witness)).share();
    let b = a.clone();
    drop(a);
    assert_eq!(Arc::strong_count(&witness), 2);
    drop(b);
    assert_eq!(Arc::strong_count(&witness), 1);
    drop(UniqueBuffer::new(5, Arc::clone(&witness)));
    assert_eq!(Arc::strong_count(&witness), 1);
}

#[test]
fn two_handles_are_made_and_let_go_of_at_once() {
    let witness = Arc::new(());
    let mut buffer = UniqueBuffer::new(8, Arc::clone(&witness));
    buffer.resize(3).copy_from_slice(b"abc");
    let first = buffer.share();
    let (second, third) = first.clone_twice();
    assert!(second.reunite(third).is_none(), "the first is there");
    let (second, third) = first.clone_twice();
    let first = first.into_unique().unwrap_err();
    assert!(first.reunite(third).is_none(), "any two");
    assert_eq!(second.bytes(), b"abc");
    let last = second.clone();
    let unique = second.reunite(last).expect("the last two");
    assert_eq!(Arc::strong_count(&witness), 2);
    let again = unique.share();
    let clone = again.clone();
    let again = again.into_unique().unwrap_err(); // it counts from one
    drop(clone);
    drop(again.into_unique().unwrap());
    assert_eq!(Arc::strong_count(&witness), 1);
}

#[test]
fn handles_are_counted_and_let_go_of_together() {
    let witness = Arc::new(());
    let [buffer, other] = [1, 2].map(|bytes| {
        let mut buffer = UniqueBuffer::new(8, Arc::clone(&witness));
        buffer.resize(bytes);
        buffer.share()
    });
    let lens = |mut handles: Handles<Arc<()>>| {
        std::iter::from_fn(|| handles.take()).map(|handle| handle.bytes().len()).collect::<Vec<_>>()
    };
    assert!(buffer.handles(0).take().is_none());
    assert_eq!(lens(buffer.handles(3)), [1, 1, 1]);
    let mut handles = buffer.handles(3);
    let taken = handles.take().unwrap();
    assert!(handles.join(taken.clone()).is_none());
    // Those on another buffer do not mix.
    let before = handles.join(other.clone()).expect("they are on another buffer");
    assert_eq!((lens(before), lens(handles)), (vec![1, 1, 1], vec![2]));
    let buffer = buffer.into_unique().unwrap_err();
    drop(taken);
    let buffer = buffer.into_unique().unwrap().share();
    let mut handles = Handles::default();
    assert!(handles.join(buffer.clone()).is_none());
    assert!(handles.join(buffer).is_none());
    drop(other);
    assert_eq!(Arc::strong_count(&witness), 2);
    drop(handles);
    assert_eq!(Arc::strong_count(&witness), 1);
}

#[test]
#[should_panic(expected = "two handles on one buffer")]
fn handles_on_two_buffers_are_not_reunited() {
    let [one, two] = [1, 2].map(|header| UniqueBuffer::new(0, header).share());
    drop(one.reunite(two));
}

#[test]
fn its_capacity_is_kept_whatever_is_in_use() {
    let mut buffer = UniqueBuffer::new(100, [1u8, 2, 3]);
    let capacity = buffer.capacity();
    assert!(capacity >= 100);
    assert_eq!((buffer.resize(100).len(), buffer.resize(2).len()), (100, 2));
    let shared = buffer.share();
    assert_eq!((shared.capacity(), shared.bytes().len(), *shared), (capacity, 2, [1, 2, 3]));
    let (clone, other) = (shared.clone(), shared.clone());
    assert_eq!((clone.bytes().as_ptr(), other.capacity()), (shared.bytes().as_ptr(), capacity));
}

#[test]
#[should_panic(expected = "do not fit")]
fn more_than_the_capacity_is_refused() {
    let mut buffer = UniqueBuffer::new(4, ());
    let more = buffer.capacity() + 1;
    buffer.resize(more);
}

#[test]
fn the_first_bytes_share_a_line_with_the_header_and_no_line_is_shared_with_a_neighbour() {
    for asked in [0, 1, 24, 25, 64, 1_000, 1_024, 1_048, 1_049, 65_536] {
        let mut buffer = UniqueBuffer::<u64, [usize; 4]>::for_guests(asked, 0);
        let header = std::ptr::from_ref::<u64>(&buffer).addr();
        let bytes = buffer.resize(asked).as_ptr().addr();
        assert_eq!((bytes % LINE, bytes / LINE), (WIDE, header / LINE));
        let end = bytes + buffer.capacity();
        assert_eq!(end % LINE, LINE - ALLOCATORS, "all of the last line but the allocator's word");
        assert!(buffer.capacity() >= asked && buffer.capacity() - asked < 2 * LINE, "{asked}");
    }
}

fn labels<H, G>(buffer: &Buffer<H, G>) -> Vec<&str> {
    let labels = buffer.labels();
    assert_eq!(labels.len(), labels.clone().count());
    assert_eq!(buffer.label_bytes(), labels.clone().map(str::len).sum());
    labels.collect()
}

#[test]
fn labels_stand_behind_the_bytes_until_something_else_does() {
    let mut buffer = UniqueBuffer::<u64, [u64; 4]>::for_guests(40, 1);
    buffer.resize(3).copy_from_slice(b"abc");
    for label in ["key-ü", "", "v"] {
        buffer.push_label(label);
    }
    let shared = buffer.share();
    assert_eq!((shared.bytes(), labels(&shared)), (&b"abc"[..], vec!["key-ü", "", "v"]));
    let clone = shared.clone();
    drop(shared);
    assert_eq!(labels(&clone), ["key-ü", "", "v"]);
    let mut buffer = clone.into_unique().unwrap();
    assert_eq!(&buffer.resize(11)[5..], "key-ü".as_bytes());
    let mut buffer = buffer.share().into_unique().unwrap();
    assert_eq!(buffer.resize(5).len(), 5);
    let shared = buffer.share();
    assert_eq!((&shared.bytes()[..3], labels(&shared).len()), (&b"abc"[..], 0));
    let mut buffer = shared.into_unique().unwrap();
    buffer.resize(0);
    buffer.push_label("gone");
    buffer.put_guest([7; 4]);
    let shared = buffer.share();
    assert_eq!((shared.bytes(), labels(&shared).len(), shared.guest()), (&b""[..], 0, Some(&[7; 4])));
    // Behind a guest, longer than it; and gone with it.
    let long = "ü".repeat(20);
    let mut buffer = shared.into_unique().unwrap();
    buffer.put_guest([8; 4]);
    buffer.push_label(&long);
    let shared = buffer.share();
    assert_eq!((shared.bytes(), labels(&shared), shared.guest()), (&b""[..], vec![&*long], Some(&[8; 4])));
    let mut buffer = shared.into_unique().unwrap();
    assert_eq!(buffer.take_guest(), Some([8; 4]));
    assert_eq!(buffer.share().labels().next(), None);
}

#[test]
fn there_is_as_much_room_for_labels_as_is_asked_for() {
    for len in [0, 1, 61] {
        let label = "k".repeat(len);
        let room = UniqueBuffer::<()>::room_for_label(len);
        let mut buffer = UniqueBuffer::new(7 + 100 * room, ());
        buffer.resize(7);
        let count = (buffer.capacity() - 7) / room;
        (0..count).for_each(|_| buffer.push_label(&label));
        let shared = buffer.share();
        assert!(labels(&shared).len() == count && shared.labels().all(|other| other == label));
    }
}

#[test]
#[should_panic(expected = "does not fit")]
fn a_label_behind_a_guest_is_refused_if_there_is_no_room() {
    let mut buffer = UniqueBuffer::<(), [u64; 4]>::for_guests(0, ());
    let len = buffer.capacity() - 33;
    buffer.put_guest([0; 4]);
    buffer.push_label(&"k".repeat(len));
}

#[test]
#[should_panic(expected = "does not fit")]
fn a_label_beyond_the_capacity_is_refused() {
    let mut buffer = UniqueBuffer::new(4, ());
    let len = buffer.capacity();
    buffer.resize(len - 2);
    buffer.push_label("");
    buffer.push_label("");
}

#[test]
fn a_guest_lives_in_the_place_of_bytes_and_is_dropped_once() {
    let witness = Arc::new(());
    let guest = || (Arc::clone(&witness), 5u8);
    let count = || Arc::strong_count(&witness);
    let mut buffer = UniqueBuffer::for_guests(40, 1u64);
    assert!(buffer.take_guest().is_none());
    buffer.resize(40).fill(0xFF);
    buffer.put_guest(guest());
    buffer.put_guest(guest());
    assert_eq!(count(), 2, "the first is gone");
    let shared = buffer.share();
    let clone = shared.clone();
    assert_eq!((clone.guest().map(|guest| guest.1), clone.bytes().len()), (Some(5), 0));
    drop(shared);
    let mut buffer = clone.into_unique().unwrap();
    assert_eq!(buffer.take_guest().map(|guest| guest.1), Some(5));
    assert_eq!(count(), 1);
    // Bytes again, those where it was zero.
    let size = size_of::<(Arc<()>, u8)>();
    assert!(buffer.resize(40).iter().enumerate().all(|(at, byte)| *byte == if at < size { 0 } else { 0xFF }));
    assert!(buffer.share().guest().is_none());
    let mut buffer = UniqueBuffer::for_guests(0, ());
    buffer.put_guest(guest());
    buffer.resize(1);
    assert_eq!(count(), 1, "bytes drive it out");
    buffer.put_guest(guest());
    drop(buffer.share());
    assert_eq!(count(), 1, "it goes with the buffer");
}
