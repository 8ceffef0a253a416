use super::*;

#[test]
fn first_in_first_out() {
    let mut queue = Queue::<u8, 3>::new();
    assert!(queue.is_empty());
    assert_eq!(queue.pop(), None);
    queue.push(1);
    queue.extend(Some(2));
    queue.extend(None);
    assert!(!queue.is_empty());
    assert_eq!(queue.pop(), Some(1));
    queue.push(3);
    assert_eq!([queue.pop(), queue.pop(), queue.pop()], [Some(2), Some(3), None]);
    assert!(queue.is_empty());
}
