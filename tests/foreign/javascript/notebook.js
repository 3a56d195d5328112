// Notes, each in a value `note/TITLE`: what tests/guests/notebook is in Rust.
//
// What is thrown is the error of the call's result, where it is a string. Where
// a value is no text a TypeError is, which is none: the component traps.

import * as kv from 'vesicle:example/kv@0.1.0';

export const notes = {
  remember(title, text) {
    // An error of the store is thrown by the call, and leaves as one.
    kv.set(key(title), new TextEncoder().encode(text));
  },

  recall(title) {
    const value = kv.get(key(title));
    return value && new TextDecoder('utf-8', { fatal: true }).decode(value);
  },
};

function key(title) {
  if (title === '') {
    throw 'a note needs a title';
  }
  return `note/${title}`;
}
