import { Fragment } from 'react';

import { plain } from './search';

/** A label with the words that a search found in it. */
export function Marked({ text, spellings }: { text: string; spellings: readonly string[] }) {
  const wanted = spellings.flatMap((spelling) => spelling.split(' '));
  if (wanted.length === 0) return text;
  return text.split(/(\s+)/).map((word, place) => {
    const compared = plain(word);
    const found = compared !== '' && wanted.some((spelling) => compared.includes(spelling));
    return found ? <mark key={place}>{word}</mark> : <Fragment key={place}>{word}</Fragment>;
  });
}
