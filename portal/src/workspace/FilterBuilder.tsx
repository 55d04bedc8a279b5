import { ActionIcon, Button, Group, Modal, MultiSelect, NumberInput, Select, Stack, Text } from '@mantine/core';
import { useState } from 'react';

import type { Variable } from '../api/client';
import { texts } from '../texts/en';
import { CohortCounter } from './CohortCounter';
import {
  emptyFilter, isComplete, isGroup, isNominal, isNumeric, newRule, operatorsOf, type Rule, type RuleGroup, startValue, toDocument,
} from './filter';

interface Known {
  variables: ReadonlyMap<string, Variable>;
  datasets: string[];
}

/** Builds nested rules; nothing changes outside until they are applied. */
export function FilterBuilder({
  initial,
  model,
  known,
  onApply,
  onClose,
}: {
  initial: RuleGroup | null;
  model: string;
  known: Known;
  onApply: (filter: RuleGroup | null) => void;
  onClose: () => void;
}) {
  const [draft, setDraft] = useState<RuleGroup>(initial ?? emptyFilter);
  const complete = draft.rules.length === 0 || isComplete(draft);
  return (
    <Modal opened onClose={onClose} title={texts.filter.title} size="56rem">
      <Stack>
        <Text size="sm" c="dimmed">
          {texts.filter.intro}
        </Text>
        <GroupEditor group={draft} known={known} onChange={setDraft} />
        <Group justify="space-between">
          {complete ? (
            <CohortCounter model={model} datasets={known.datasets} filters={toDocument(draft)} />
          ) : (
            <Text size="sm" c="dimmed">
              {texts.filter.incomplete}
            </Text>
          )}
          <Group>
            <Button variant="default" onClick={onClose}>
              {texts.filter.cancel}
            </Button>
            <Button disabled={!complete} onClick={() => onApply(draft.rules.length ? draft : null)}>
              {texts.filter.apply}
            </Button>
          </Group>
        </Group>
      </Stack>
    </Modal>
  );
}

function GroupEditor({
  group,
  known,
  onChange,
  onRemove,
}: {
  group: RuleGroup;
  known: Known;
  onChange: (group: RuleGroup) => void;
  onRemove?: () => void;
}) {
  const replace = (index: number, part: Rule | RuleGroup | null) =>
    onChange({
      ...group,
      rules: group.rules.flatMap((before, place) => (place === index ? (part ? [part] : []) : [before])),
    });
  const first = [...known.variables.values()].find(isNumeric) ?? [...known.variables.values()][0];
  return (
    <Stack gap="xs" className="rules" role="group" aria-label={texts.filter.title}>
      <Group gap="xs">
        <Select
          size="xs"
          w={110}
          aria-label={texts.filter.title}
          data={[
            { value: 'AND', label: texts.filter.all },
            { value: 'OR', label: texts.filter.any },
          ]}
          value={group.condition}
          allowDeselect={false}
          onChange={(value) => onChange({ ...group, condition: value === 'OR' ? 'OR' : 'AND' })}
        />
        <Button
          size="compact-xs"
          variant="light"
          onClick={() => first && onChange({ ...group, rules: [...group.rules, newRule(first)] })}
        >
          {texts.filter.addRule}
        </Button>
        <Button
          size="compact-xs"
          variant="subtle"
          onClick={() =>
            first && onChange({ ...group, rules: [...group.rules, { condition: 'OR', rules: [newRule(first)] }] })
          }
        >
          {texts.filter.addGroup}
        </Button>
        {onRemove && (
          <ActionIcon size="sm" variant="subtle" color="red" aria-label={texts.filter.removeGroup} onClick={onRemove}>
            ×
          </ActionIcon>
        )}
      </Group>
      {group.rules.map((part, index) =>
        isGroup(part) ? (
          <GroupEditor
            key={index}
            group={part}
            known={known}
            onChange={(after) => replace(index, after)}
            onRemove={() => replace(index, null)}
          />
        ) : (
          <RuleEditor
            key={index}
            rule={part}
            known={known}
            onChange={(after) => replace(index, after)}
            onRemove={() => replace(index, null)}
          />
        ),
      )}
    </Stack>
  );
}

function RuleEditor({
  rule,
  known,
  onChange,
  onRemove,
}: {
  rule: Rule;
  known: Known;
  onChange: (rule: Rule) => void;
  onRemove: () => void;
}) {
  const variable = known.variables.get(rule.field);
  const operators = variable ? operatorsOf(variable) : [];
  return (
    <Group gap="xs" align="center" wrap="wrap">
      <Select
        size="xs"
        w={230}
        searchable
        aria-label={texts.filter.variable}
        data={[...known.variables.values()].map((other) => ({ value: other.code, label: other.label || other.code }))}
        value={rule.field}
        allowDeselect={false}
        onChange={(code) => {
          const other = code ? known.variables.get(code) : undefined;
          if (other) onChange(newRule(other));
        }}
      />
      <Select
        size="xs"
        w={150}
        aria-label={texts.filter.operator}
        data={operators.map((operator) => ({ value: operator, label: texts.filter.operators[operator] }))}
        value={rule.operator}
        allowDeselect={false}
        onChange={(value) => {
          const operator = (value ?? rule.operator);
          const start = startValue(operator);
          const fits = Array.isArray(start) === Array.isArray(rule.value);
          onChange({ ...rule, operator, value: fits ? rule.value : start });
        }}
      />
      {variable && <ValueEditor rule={rule} variable={variable} known={known} onChange={onChange} />}
      <ActionIcon size="sm" variant="subtle" color="red" aria-label={texts.filter.removeRule} onClick={onRemove}>
        ×
      </ActionIcon>
    </Group>
  );
}

function ValueEditor({
  rule,
  variable,
  known,
  onChange,
}: {
  rule: Rule;
  variable: Variable;
  known: Known;
  onChange: (rule: Rule) => void;
}) {
  if (rule.operator === 'is_null' || rule.operator === 'is_not_null') return null;
  if (isNominal(variable)) {
    const levels =
      variable.code === 'dataset'
        ? known.datasets
        : variable.enumerations.map((level) => ({ value: level.code, label: level.label }));
    return (
      <MultiSelect
        size="xs"
        miw={220}
        style={{ flex: 1 }}
        aria-label={texts.filter.value}
        data={levels}
        value={Array.isArray(rule.value) ? rule.value.map(String) : []}
        onChange={(value) => onChange({ ...rule, value })}
      />
    );
  }
  const number = (value: string | number) => (value === '' ? '' : Number(value));
  if (rule.operator === 'between' || rule.operator === 'not_between') {
    const ends = Array.isArray(rule.value) ? rule.value : [];
    return (
      <Group gap={6} wrap="nowrap">
        {[texts.filter.from, texts.filter.to].map((label, place) => (
          <NumberInput
            key={label}
            size="xs"
            w={100}
            aria-label={label}
            placeholder={label}
            value={ends[place] ?? ''}
            onChange={(value) => {
              const after = [ends[0] ?? '', ends[1] ?? ''];
              after[place] = number(value);
              onChange({ ...rule, value: after });
            }}
          />
        ))}
        <Text size="xs">{variable.units}</Text>
      </Group>
    );
  }
  return (
    <NumberInput
      size="xs"
      w={130}
      aria-label={texts.filter.value}
      value={typeof rule.value === 'number' ? rule.value : ''}
      suffix={variable.units ? ` ${variable.units}` : ''}
      onChange={(value) => onChange({ ...rule, value: value === '' ? null : Number(value) })}
    />
  );
}
