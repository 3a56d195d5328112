// Notes, each in a value `note/TITLE`: what tests/guests/notebook is in Rust.
//
// Where a value is no text, the exception is caught by nobody: the component
// traps. What is thrown and is no Error is the error of the call's result.

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
