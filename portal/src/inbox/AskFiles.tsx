import { Accordion, Button, Stack, Table, Text, Textarea } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';

import { dataApi } from '../api/data';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';

const t = texts.inbox.ask;

/** The inbox's files asked by SQL, before any import. */
export function AskFiles() {
  const [sql, setSql] = useState('');
  const ask = useMutation({ mutationFn: () => dataApi.query(sql) });
  return (
    <Accordion variant="contained" mt="xl" chevronPosition="left">
      <Accordion.Item value="ask">
        <Accordion.Control>{t.title}</Accordion.Control>
        <Accordion.Panel>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              ask.mutate();
            }}
          >
            <Stack gap="sm">
              <Text size="sm" c="dimmed" maw="80ch">
                {t.intro}
              </Text>
              <Textarea
                label={t.label}
                placeholder={t.example}
                classNames={{ input: 'code' }}
                autosize
                minRows={3}
                maxRows={12}
                spellCheck={false}
                required
                value={sql}
                onChange={(event) => setSql(event.currentTarget.value)}
              />
              <Button type="submit" loading={ask.isPending} w="fit-content">
                {t.run}
              </Button>
            </Stack>
          </form>
          <ProblemAlert error={ask.error} />
          {ask.data && (
            <div className="wide">
              <Table aria-label={t.result} className="result-table dense" mt="md">
                <Table.Thead>
                  <Table.Tr>
                    {ask.data.columns.map((column, index) => (
                      <Table.Th key={index} scope="col">
                        {column}
                      </Table.Th>
                    ))}
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {ask.data.rows.map((row, index) => (
                    <Table.Tr key={index}>
                      {row.map((cell, place) => (
                        <Table.Td key={place}>{cell === null ? '' : String(cell)}</Table.Td>
                      ))}
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
              {ask.data.more && <Text size="sm">{t.more}</Text>}
            </div>
          )}
        </Accordion.Panel>
      </Accordion.Item>
    </Accordion>
  );
}
