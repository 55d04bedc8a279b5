import { Anchor, Button, Group, Table, Text } from '@mantine/core';
import { Link } from 'react-router';

import type { ListedExperiment } from '../api/client';
import { Icon } from '../shared/Icon';
import { SyntheticBadge } from '../shared/SyntheticBadge';
import { locale, texts } from '../texts/texts';
import { StarButton } from './StarButton';
import { StateBadge } from './StateBadge';
import { TagBadges } from './Tags';
import { hasEnded } from './useExperiment';

const t = texts.experiment;

/** An experiment in the list. */
export function ExperimentRow({
  item,
  algorithm,
  roles,
  synthetic,
  onRemove,
}: {
  item: ListedExperiment;
  algorithm: string;
  roles: string;
  synthetic: ReadonlySet<string>;
  onRemove: () => void;
}) {
  return (
    <Table.Tr>
      <Table.Td className="slim">
        <StarButton id={item.id} name={item.name} starred={item.starred} />
      </Table.Td>
      <Table.Td>
        <Anchor component={Link} to={`/experiments/${item.id}`} fw={550}>
          {item.name}
        </Anchor>
        <Text size="xs" c="dimmed" component="div">
          {roles}
        </Text>
        <Group gap={8} mt={item.tags.length > 0 || item.comments > 0 || !item.mine ? 2 : 0}>
          <TagBadges tags={item.tags} />
          {!item.mine && (
            <Text size="xs" c="dimmed" span>
              {texts.experiments.by(item.user)}
            </Text>
          )}
          {item.comments > 0 && (
            <Text size="xs" c="dimmed" span className="beside" title={texts.experiments.comments(item.comments)}>
              <Icon name="talk" size={12} />
              <span aria-hidden>{item.comments}</span>
              <span className="unseen">{texts.experiments.comments(item.comments)}</span>
            </Text>
          )}
        </Group>
      </Table.Td>
      <Table.Td className="roomy">{algorithm}</Table.Td>
      <Table.Td className="roomy">
        {item.request.inputdata.datasets.map((code) => (
          <Group key={code} gap={6} wrap="nowrap" className="whole">
            {code} {synthetic.has(code) && <SyntheticBadge />}
          </Group>
        ))}
      </Table.Td>
      <Table.Td>
        <StateBadge state={item.state} />
      </Table.Td>
      <Table.Td className="roomy whole">
        {new Date(item.created).toLocaleString(locale, { dateStyle: 'short', timeStyle: 'short' })}
      </Table.Td>
      <Table.Td className="roomy whole">{typeof item.duration === 'number' ? t.seconds(item.duration) : ''}</Table.Td>
      <Table.Td>
        {item.mine && (
          <Button
            size="compact-xs"
            variant="subtle"
            color="gray"
            disabled={!hasEnded(item.state)}
            onClick={onRemove}
            aria-label={`${t.remove} ${item.name}`}
          >
            {t.remove}
          </Button>
        )}
      </Table.Td>
    </Table.Tr>
  );
}
