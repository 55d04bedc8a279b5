import { Anchor, Table, Text } from '@mantine/core';

import { dataApi, type FileProblem, type InboxEntry } from '../api/data';
import { texts } from '../texts/texts';
import { Section } from './Section';

const t = texts.inbox.problems;

/** Everything that is wrong with a file, by column and row. */
export function ProblemsSection({ item }: { item: InboxEntry }) {
  return (
    <Section title={t.title}>
      {item.problems.length === 0 ? (
        <Text size="sm">{t.none}</Text>
      ) : (
        <>
          <ProblemTable problems={item.problems} />
          <Text size="sm" c="dimmed">
            {t.withoutValues}{' '}
            {item.listed && (
              <Anchor href={dataApi.problemsFile(item.name)} download size="sm" underline="always">
                {t.download}
              </Anchor>
            )}
          </Text>
        </>
      )}
    </Section>
  );
}

export function ProblemTable({ problems }: { problems: FileProblem[] }) {
  const files = problems.some((problem) => problem.file);
  return (
    <div className="wide">
      <Table className="listing" aria-label={t.title}>
        <Table.Thead>
          <Table.Tr>
            {Object.entries(t.columns)
              .filter(([key]) => key !== 'file' || files)
              .map(([key, label]) => (
                <Table.Th key={key} scope="col">
                  {label}
                </Table.Th>
              ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {problems.map((problem, index) => (
            <Table.Tr key={index}>
              <Table.Td>{problem.kind}</Table.Td>
              <Table.Td>{problem.column ?? ''}</Table.Td>
              <Table.Td>{problem.rule}</Table.Td>
              <Table.Td>
                {problem.rows.join(', ')}
                {problem.rows.length > 0 && problem.count > problem.rows.length && t.more(problem.count - problem.rows.length)}
              </Table.Td>
              {files && <Table.Td>{problem.file ?? ''}</Table.Td>}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}
