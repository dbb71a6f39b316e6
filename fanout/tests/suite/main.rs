//! The tests of fan-out, a module for each thing: one program, since several take several times as long to build.

mod cursor_set_news;
mod dispatch;
mod overflow;
mod receivers;
mod waiting;
