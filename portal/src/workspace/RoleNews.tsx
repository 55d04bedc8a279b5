import { useState } from 'react';

import { texts } from '../texts/texts';

interface Roles {
  y: readonly string[];
  x: readonly string[];
}

/** Says to a screen reader which variables got or lost a role, by whatever way: keys, buttons or a pointer. */
export function RoleNews({ y, x, label }: Roles & { label: (code: string) => string }) {
  const [before, setBefore] = useState<Roles>({ y, x });
  const [news, setNews] = useState('');
  if (before.y !== y || before.x !== x) {
    setBefore({ y, x });
    setNews(sentences(before, { y, x }, label).join(' '));
  }
  return (
    <div className="unseen" role="status">
      {news}
    </div>
  );
}

function sentences(before: Roles, after: Roles, label: (code: string) => string): string[] {
  const added = (['y', 'x'] as const).flatMap((role) => {
    const codes = after[role].filter((code) => !before[role].includes(code));
    return codes.map((code) => `${label(code)} ${texts.workspace.added[role]}.`);
  });
  const lost = [...before.y, ...before.x].filter((code) => ![...after.y, ...after.x].includes(code));
  return [...added, ...lost.map((code) => texts.explore.noRole(label(code)))];
}
