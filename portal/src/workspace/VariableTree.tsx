import { Text, TextInput } from '@mantine/core';
import { type KeyboardEvent, useMemo, useRef, useState } from 'react';

import type { ModelTree } from '../api/client';
import { texts } from '../texts/en';
import { isNominal, isNumeric } from './filter';
import { type Node, visibleNodes } from './variables';

/** The data model's groups and variables: searched by typing, walked by arrow keys. */
export function VariableTree({
  model,
  present,
  chosen,
  onChoose,
}: {
  model: ModelTree;
  present: ReadonlySet<string>;
  chosen: string | null;
  onChoose: (code: string) => void;
}) {
  const [search, setSearch] = useState('');
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [active, setActive] = useState<string | null>(null);
  const list = useRef<HTMLUListElement>(null);
  const nodes = useMemo(() => visibleNodes(model, open, search), [model, open, search]);
  const current = nodes.find((node) => node.id === active) ?? nodes[0];

  const toggle = (id: string, wanted?: boolean) => {
    const after = new Set(open);
    if (wanted ?? !after.has(id)) after.add(id);
    else after.delete(id);
    setOpen(after);
  };
  const act = (node: Node) => {
    setActive(node.id);
    if (node.variable) onChoose(node.variable.code);
    else toggle(node.id);
  };
  const focus = (node: Node | undefined) => {
    if (!node) return;
    setActive(node.id);
    const line = list.current?.children[nodes.indexOf(node)];
    if (line instanceof HTMLElement) line.focus();
  };
  const onKey = (event: KeyboardEvent) => {
    if (!current) return;
    const index = nodes.indexOf(current);
    const steps: Record<string, () => void> = {
      ArrowDown: () => focus(nodes[index + 1]),
      ArrowUp: () => focus(nodes[index - 1]),
      Home: () => focus(nodes[0]),
      End: () => focus(nodes.at(-1)),
      ArrowRight: () => {
        if (current.group && !open.has(current.id)) toggle(current.id, true);
        else focus(nodes[index + 1]);
      },
      ArrowLeft: () => {
        if (current.group && open.has(current.id)) toggle(current.id, false);
        else focus(nodes.find((node) => node.id === current.parent));
      },
      Enter: () => act(current),
      ' ': () => act(current),
    };
    const step = steps[event.key];
    if (step) {
      event.preventDefault();
      step();
    }
  };

  return (
    <>
      <TextInput
        type="search"
        aria-label={texts.workspace.search}
        placeholder={texts.workspace.searchHint}
        value={search}
        onChange={(event) => setSearch(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown') {
            event.preventDefault();
            focus(nodes.find((node) => node.variable) ?? nodes[0]);
          }
        }}
        mb="xs"
      />
      {nodes.length === 0 && (
        <Text size="sm" c="dimmed">
          {texts.workspace.noMatch}
        </Text>
      )}
      <ul className="tree" role="tree" aria-label={model.label} ref={list}>
        {nodes.map((node) => {
          const expanded = node.group ? search !== '' || open.has(node.id) : undefined;
          const absent = node.variable && !present.has(node.variable.code);
          return (
            <li
              key={node.id}
              role="treeitem"
              aria-level={node.depth + 1}
              aria-expanded={expanded}
              aria-selected={node.variable ? node.variable.code === chosen : false}
              tabIndex={node === current ? 0 : -1}
              className={`row ${node.group ? 'group' : ''} ${absent ? 'absent' : ''}`}
              style={{ paddingLeft: `${0.4 + node.depth * 0.9}rem` }}
              title={node.variable?.description || node.label}
              onClick={() => act(node)}
              onKeyDown={onKey}
            >
              <span aria-hidden>{node.group ? (expanded ? '▾' : '▸') : '·'}</span>
              <span className="label">
                <Marked text={node.label} search={search} />
              </span>
              <span className="kind">{kindOf(node)}</span>
            </li>
          );
        })}
      </ul>
    </>
  );
}

function kindOf(node: Node): string {
  if (!node.variable) return String(node.count);
  if (isNumeric(node.variable)) return '123';
  return isNominal(node.variable) ? 'A·B' : 'text';
}

function Marked({ text, search }: { text: string; search: string }) {
  const word = search.trim().split(/\s+/)[0]?.toLowerCase() ?? '';
  const at = word ? text.toLowerCase().indexOf(word) : -1;
  if (at < 0) return text;
  return (
    <>
      {text.slice(0, at)}
      <mark>{text.slice(at, at + word.length)}</mark>
      {text.slice(at + word.length)}
    </>
  );
}
