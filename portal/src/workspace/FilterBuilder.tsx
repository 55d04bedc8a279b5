import { ActionIcon, Button, Group, Modal, MultiSelect, NumberInput, Select, Stack, Text } from '@mantine/core';
import { useState } from 'react';

import type { Variable } from '../api/client';
import { FlowNow } from '../cohort/CohortOf';
import { Icon } from '../shared/Icon';
import { texts } from '../texts/texts';
import { CohortCounter } from './CohortCounter';
import { rangeOf } from './variables';
import {
  emptyFilter, inWords, isComplete, isGroup, isNominal, isNumeric, newRule, operatorsOf, type Rule, type RuleGroup, startValue, toDocument,
} from './filter';

interface Known {
  variables: ReadonlyMap<string, Variable>;
  datasets: string[];
}

interface Props {
  initial: RuleGroup | null;
  model: string;
  known: Known;
  onApply: (filter: RuleGroup | null) => void;
  onClose: () => void;
}

/** Builds nested rules; nothing changes outside until they are applied. */
export function FilterBuilder({ opened, ...props }: Props & { opened: boolean }) {
  return (
    <Modal
      opened={opened}
      onClose={props.onClose}
      title={<b>{texts.filter.title}</b>}
      size="58rem"
      transitionProps={{ duration: 0 }}
    >
      <FilterForm {...props} />
    </Modal>
  );
}

function FilterForm({ initial, model, known, onApply, onClose }: Props) {
  const [draft, setDraft] = useState<RuleGroup>(initial ?? emptyFilter);
  const [stepwise, setStepwise] = useState(false);
  const complete = draft.rules.length === 0 || isComplete(draft);
  return (
    <Stack>
      <Text size="sm" c="dimmed">
        {texts.filter.intro}
      </Text>
      <GroupEditor group={draft} known={known} onChange={setDraft} />
      {draft.rules.length === 0 && (
        <Text size="sm" c="dimmed">
          {texts.filter.empty}
        </Text>
      )}
      {draft.rules.length > 0 && complete && (
        <Text size="sm">
          {texts.filter.reads} <b>{inWords(draft, known.variables)}</b>
        </Text>
      )}
      {stepwise && complete && (
        <FlowNow question={{ data_model: model, datasets: known.datasets, filters: toDocument(draft), complete: [] }} />
      )}
      <Group justify="space-between">
        {complete ? (
          <CohortCounter model={model} datasets={known.datasets} filters={toDocument(draft)} />
        ) : (
          <Text size="sm" c="dimmed">
            {texts.filter.incomplete}
          </Text>
        )}
        <Group>
          <Button variant="subtle" aria-expanded={stepwise} onClick={() => setStepwise(!stepwise)}>
            {stepwise ? texts.cohort.hide : texts.cohort.show}
          </Button>
          <Button variant="default" onClick={onClose}>
            {texts.filter.cancel}
          </Button>
          <Button disabled={!complete} onClick={() => onApply(draft.rules.length ? draft : null)}>
            {texts.filter.apply}
          </Button>
        </Group>
      </Group>
    </Stack>
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
          w={130}
          aria-label={texts.filter.joined}
          data={Object.entries(texts.filter.joints).map(([value, label]) => ({ value, label }))}
          value={`${group.not ? 'NOT ' : ''}${group.condition}`}
          allowDeselect={false}
          onChange={(value) =>
            onChange({
              rules: group.rules,
              condition: value?.endsWith('OR') ? 'OR' : 'AND',
              ...(value?.startsWith('NOT') ? { not: true } : {}),
            })
          }
        />
        <Button
          size="compact-xs"
          variant="light"
          leftSection={<Icon name="plus" size={12} />}
          disabled={!first}
          onClick={() => first && onChange({ ...group, rules: [...group.rules, newRule(first)] })}
        >
          {texts.filter.addRule}
        </Button>
        <Button
          size="compact-xs"
          variant="subtle"
          disabled={!first}
          onClick={() =>
            first && onChange({ ...group, rules: [...group.rules, { condition: 'OR', rules: [newRule(first)] }] })
          }
        >
          {texts.filter.addGroup}
        </Button>
        {onRemove && (
          <ActionIcon
          size="sm"
          ml="auto"
          variant="subtle"
          color="gray"
          aria-label={texts.filter.removeGroup}
          onClick={onRemove}
        >
          <Icon name="close" size={14} />
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
          const operator = value ?? rule.operator;
          const start = startValue(operator);
          const fits = Array.isArray(start) === Array.isArray(rule.value);
          onChange({ ...rule, operator, value: fits ? rule.value : start });
        }}
      />
      {variable && <ValueEditor rule={rule} variable={variable} known={known} onChange={onChange} />}
      <ActionIcon
          size="sm"
          ml="auto"
          variant="subtle"
          color="gray"
          aria-label={texts.filter.removeRule}
          onClick={onRemove}
        >
        <Icon name="close" size={14} />
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
        : variable.enumerations.map((level) => ({ value: level.code, label: level.label || level.code }));
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
            w={110}
            aria-label={label}
            placeholder={(place === 0 ? variable.minimum : variable.maximum)?.toString() ?? label}
            allowDecimal={variable.type === 'real'}
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
      w={150}
      aria-label={texts.filter.value}
      placeholder={rangeOf(variable)}
      allowDecimal={variable.type === 'real'}
      value={typeof rule.value === 'number' ? rule.value : ''}
      suffix={variable.units ? ` ${variable.units}` : ''}
      onChange={(value) => onChange({ ...rule, value: value === '' ? null : Number(value) })}
    />
  );
}
