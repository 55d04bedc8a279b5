import { SegmentedControl, Text, TextInput } from '@mantine/core';
import { lazy, Suspense, useMemo, useRef, useState } from 'react';

import type { ModelTree } from '../api/client';
import { Icon } from '../shared/Icon';
import { Loading } from '../shared/Loading';
import { texts } from '../texts/texts';
import { asLine, indexOf, search } from './search';
import { groupsAround, visibleNodes } from './variables';
import { VariableTree } from './VariableTree';

const VariableCircles = lazy(() => import('./VariableCircles'));
const KEY = 'mip-variables-view';

/** The data model's groups and variables: searched by typing, shown as a tree or as circles. */
export function VariableExplorer({
  model,
  present,
  chosen,
  onChoose,
  onUse,
}: {
  model: ModelTree;
  /** The variables of the chosen datasets; undefined until the datasets are known. */
  present: ReadonlySet<string> | undefined;
  chosen: string | null;
  onChoose: (code: string) => void;
  onUse: (codes: string[], role: 'y' | 'x') => void;
}) {
  const [typed, setTyped] = useState('');
  const [view, setView] = useState(remembered);
  const [open, setOpen] = useState<ReadonlySet<string>>(() => new Set(groupsAround(model, chosen)));
  const place = useRef<HTMLDivElement>(null);
  const index = useMemo(() => indexOf(model), [model]);
  const searched = typed.trim() !== '';
  const hits = useMemo(() => (searched ? search(index, typed) : []), [index, typed, searched]);
  const nodes = useMemo(
    () => (searched ? hits.map(asLine) : visibleNodes(model, open)),
    [hits, model, open, searched],
  );
  const lacks = (code: string) => present !== undefined && !present.has(code);
  const shared = { lacks, chosen, onChoose, onUse };
  const circles = view === 'circles' && !searched;

  const show = (id: string, wanted: boolean) => {
    const after = new Set(open);
    if (wanted) after.add(id);
    else after.delete(id);
    setOpen(after);
  };

  return (
    <>
      <TextInput
        type="search"
        aria-label={texts.workspace.search}
        placeholder={texts.workspace.searchHint}
        leftSection={<Icon name="search" size={15} />}
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'ArrowDown') return;
          event.preventDefault();
          place.current?.querySelector<HTMLElement>('[role=treeitem]')?.focus();
        }}
      />
      <SegmentedControl
        size="xs"
        aria-label={texts.explore.view}
        data={(['tree', 'circles'] as const).map((value) => ({ value, label: texts.explore.views[value] }))}
        value={view}
        onChange={(wanted) => {
          setView(wanted);
          remember(wanted);
        }}
      />
      <Text size="xs" c="dimmed">
        {circles ? texts.explore.hint : texts.workspace.treeHint}
      </Text>
      <div ref={place}>
        <Text size="xs" c="dimmed" role="status">
          {searched && (hits.length === 0 ? texts.workspace.noMatch : texts.explore.found(hits.length))}
        </Text>
        {circles ? (
          <Suspense fallback={<Loading lines={6} />}>
            <VariableCircles model={model} {...shared} />
          </Suspense>
        ) : (
          <VariableTree
            label={searched ? texts.explore.results : model.label}
            subject={searched ? typed : ''}
            nodes={nodes}
            open={open}
            onOpen={show}
            {...shared}
          />
        )}
      </div>
    </>
  );
}

function remembered(): string {
  try {
    return localStorage.getItem(KEY) === 'circles' ? 'circles' : 'tree';
  } catch {
    return 'tree';
  }
}

function remember(view: string): void {
  try {
    localStorage.setItem(KEY, view);
  } catch {
    // A browser that keeps nothing asks again the next time.
  }
}
