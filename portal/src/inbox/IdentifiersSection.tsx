import { Button, Group, NumberInput, Select, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { api } from '../api/client';
import { dataApi, type ColumnDecision, type InboxEntry } from '../api/data';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';
import { allVariables } from '../workspace/variables';
import { isMoving } from './item';
import { Section } from './Section';

const t = texts.inbox.identifiers;
const CONCERNED = new Set(['direct identifier', 'not a date', 'unknown column']);
type Action = ColumnDecision['action'];

/** Columns that may tell who a patient is, and what is done with each. */
export function IdentifiersSection({ item }: { item: InboxEntry }) {
  const client = useQueryClient();
  const [made, setMade] = useState<Record<string, ColumnDecision>>({});
  const found = item.problems.filter((problem) => CONCERNED.has(problem.kind) && problem.column);
  const columns = [...new Set(found.map((problem) => problem.column ?? ''))];
  const save = useMutation({
    mutationFn: () => dataApi.decide(item.name, Object.values(made)),
    onSuccess: () => client.invalidateQueries(),
  });
  const whole = Object.values(made).every((one) => one.action !== 'age' || (one.age && one.at));
  return (
    <Section title={t.title}>
      {columns.length === 0 ? (
        <Text size="sm">{t.codes}</Text>
      ) : (
        <Stack gap="md">
          <Text size="sm" c="dimmed">
            {t.intro}
          </Text>
          {columns.map((column) => (
            <Decision
              key={column}
              item={item}
              column={column}
              why={found.filter((problem) => problem.column === column).map((problem) => problem.rule.split(';')[0] ?? '')}
              decision={made[column]}
              onDecide={(decision) => {
                const others = Object.fromEntries(Object.entries(made).filter(([name]) => name !== column));
                setMade(decision ? { ...others, [column]: decision } : others);
              }}
            />
          ))}
          <ProblemAlert error={save.error} />
          <Button
            w="fit-content"
            loading={save.isPending}
            disabled={isMoving(item) || Object.keys(made).length === 0 || !whole}
            onClick={() => save.mutate()}
          >
            {t.save}
          </Button>
        </Stack>
      )}
    </Section>
  );
}

function Decision({
  item,
  column,
  why,
  decision,
  onDecide,
}: {
  item: InboxEntry;
  column: string;
  why: string[];
  decision: ColumnDecision | undefined;
  onDecide: (decision: ColumnDecision | undefined) => void;
}) {
  const change = (part: Partial<ColumnDecision>) => decision && onDecide({ ...decision, ...part });
  return (
    <div>
      <Group align="end" gap="sm">
        <div className="decision">
          <Text size="sm" fw={550}>
            {column}
          </Text>
          <Text size="xs" c="dimmed">
            {why.join('; ')}
          </Text>
        </div>
        <Select
          aria-label={t.where(column, t.action)}
          data={Object.entries(t.actions).map(([value, label]) => ({ value, label }))}
          value={decision?.action ?? ''}
          allowDeselect={false}
          w={230}
          onChange={(action) =>
            onDecide(
              action
                ? { column, action: action as Action, format: '%Y-%m-%d', shift: 365, age: '', at: '' }
                : undefined,
            )
          }
        />
        {(decision?.action === 'shift' || decision?.action === 'age') && (
          <TextInput
            label={t.format}
            w={140}
            value={decision.format}
            onChange={(event) => change({ format: event.currentTarget.value })}
          />
        )}
        {decision?.action === 'shift' && (
          <NumberInput label={t.days} w={120} min={1} max={36500} value={decision.shift} onChange={(days) => change({ shift: Number(days) || 1 })} />
        )}
        {decision?.action === 'age' && <Age item={item} decision={decision} onChange={change} />}
      </Group>
    </div>
  );
}

function Age({
  item,
  decision,
  onChange,
}: {
  item: InboxEntry;
  decision: ColumnDecision;
  onChange: (part: Partial<ColumnDecision>) => void;
}) {
  const key = item.choice?.model ?? '';
  const model = useQuery({ queryKey: ['model', key], queryFn: () => api.model(key), enabled: key !== '' });
  const numbers = model.data
    ? [...allVariables(model.data).values()].filter((variable) => variable.type === 'real' || variable.type === 'integer')
    : [];
  const columns = item.tables.flatMap((table) => table.columns.map((column) => column.name));
  return (
    <>
      <Select
        label={t.variable}
        searchable
        data={numbers.map((variable) => ({ value: variable.code, label: variable.label }))}
        value={decision.age || null}
        onChange={(age) => onChange({ age: age ?? '' })}
      />
      <Select
        label={t.at}
        searchable
        data={[...new Set(columns)].filter((name) => name !== decision.column)}
        value={decision.at || null}
        onChange={(at) => onChange({ at: at ?? '' })}
      />
    </>
  );
}
