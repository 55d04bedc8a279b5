import { Text, TextInput } from '@mantine/core';
import { type KeyboardEvent, useMemo, useRef, useState } from 'react';

import type { ModelTree } from '../api/client';
import { Icon } from '../shared/Icon';
import { texts } from '../texts/texts';
import { isNominal, isNumeric } from './filter';
import { groupsAround, type Node, variablesUnder, visibleNodes } from './variables';

/** The data model's groups and variables: searched by typing, walked by arrow keys. */
export function VariableTree({
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
  const [search, setSearch] = useState('');
  const [open, setOpen] = useState<ReadonlySet<string>>(() => new Set(groupsAround(model, chosen)));
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
  const lacks = (code: string) => present !== undefined && !present.has(code);
  const assign = (node: Node, role: 'y' | 'x') => {
    const codes = node.variable ? [node.variable] : node.group ? variablesUnder(node.group) : [];
    onUse(codes.filter((part) => !lacks(part.code) && (isNumeric(part) || isNominal(part))).map((part) => part.code), role);
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
      y: () => assign(current, 'y'),
      x: () => assign(current, 'x'),
    };
    const step = event.ctrlKey || event.metaKey || event.altKey ? undefined : steps[event.key];
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
        leftSection={<Icon name="search" size={15} />}
        value={search}
        onChange={(event) => setSearch(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown') {
            event.preventDefault();
            focus(nodes.find((node) => node.variable) ?? nodes[0]);
          }
        }}
      />
      <Text size="xs" c="dimmed">
        {texts.workspace.treeHint}
      </Text>
      {nodes.length === 0 && (
        <Text size="sm" c="dimmed">
          {texts.workspace.noMatch}
        </Text>
      )}
      <ul className="tree" role="tree" aria-label={model.label} ref={list}>
        {nodes.map((node) => {
          const expanded = node.group ? search !== '' || open.has(node.id) : undefined;
          const absent = node.variable && lacks(node.variable.code);
          return (
            <li
              key={node.id}
              role="treeitem"
              aria-level={node.depth + 1}
              aria-keyshortcuts="y x"
              aria-expanded={expanded}
              aria-selected={node.variable ? node.variable.code === chosen : false}
              tabIndex={node === current ? 0 : -1}
              className={`row ${node.group ? 'group' : ''} ${absent ? 'absent' : ''}`}
              style={{ paddingLeft: `${0.4 + node.depth * 0.95 + (node.group ? 0 : 0.25)}rem` }}
              title={node.variable?.description || node.label}
              onClick={() => act(node)}
              onKeyDown={onKey}
            >
              {node.group && (
                <span className={expanded ? 'turn open' : 'turn'}>
                  <Icon name="chevron" size={11} />
                </span>
              )}
              <span className="label">
                <Marked text={node.label} search={search} />
              </span>
              {!absent && node.variable?.type !== 'text' && (
                <span className="quick" aria-hidden>
                  {(['y', 'x'] as const).map((role) => (
                    <button
                      key={role}
                      type="button"
                      tabIndex={-1}
                      title={texts.workspace.use[role]}
                      onClick={(event) => {
                        event.stopPropagation();
                        assign(node, role);
                      }}
                    >
                      {role}
                    </button>
                  ))}
                </span>
              )}
              <span className="kind">{kindOf(node)}</span>
            </li>
          );
        })}
      </ul>
    </>
  );
}

function kindOf(node: Node): string {
  const kinds = texts.workspace.kinds;
  if (!node.variable) return String(node.count);
  if (isNumeric(node.variable)) return kinds.numeric;
  return isNominal(node.variable) ? kinds.nominal : kinds.text;
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
