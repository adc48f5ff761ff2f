using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Millrace.Serialization;
using Millrace.Server.Errors;
using Millrace.Server.Security;
using Millrace.Storage;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>Several operations in one request: independent ones, each with a result of its own, or a transaction.</summary>
internal static class OperationEndpoints
{
    public static readonly ApiRoute[] Routes =
    [
        new(HttpMethods.Post, "operations", "Independent operations in one request: each has its own result, and one's failure is its own.", RunAsync)
        {
            Body = ApiBody.Json("Operations"),
            Answer = "OperationResults",
            Problems = [ProblemMap.InvalidMessage],
        },
        new(HttpMethods.Post, "transactions", "Enqueues, publishes and settlements, all or nothing.", CommitAsync)
        {
            Body = ApiBody.Json("Transaction"),
            Answer = "TransactionResult",
            Problems = [ProblemMap.InvalidName, ProblemMap.InvalidMessage, ProblemMap.QueueFull, ProblemMap.QueueNotFound],
        },
    ];

    /// <summary>Reads the messages of a batch.</summary>
    public static void ReadMessages(ref WireReader json, List<Envelope> batch, int maxBatch)
    {
        json.BeginArray();
        while (json.NextElement())
        {
            RequireRoom(batch.Count, maxBatch);
            batch.Add(MessageWire.ReadEnvelope(ref json));
        }
    }

    /// <summary>Reads the settlements of a batch.</summary>
    public static void ReadSettlements(ref WireReader json, List<Settlement> batch, int maxBatch)
    {
        json.BeginArray();
        while (json.NextElement())
        {
            RequireRoom(batch.Count, maxBatch);
            batch.Add(SettlementWire.Read(ref json));
        }
    }

    private static async Task RunAsync(ApiCall call)
    {
        var operations = await call.ReadJsonAsync((ref json) =>
        {
            var operations = new List<RequestedOperation>();
            json.BeginObject();
            while (json.NextField())
            {
                if (!json.Is(WireNames.Operations))
                {
                    json.Unknown(WireNames.Operations);
                    continue;
                }

                json.BeginArray();
                while (json.NextElement())
                {
                    RequireRoom(operations.Count, call.Instance.Limits.MaxBatch);
                    operations.Add(RequestedOperation.Read(ref json, call.Instance.Limits.MaxBatch));
                }
            }

            return operations;
        }).ConfigureAwait(false);

        // All are begun before one is awaited, so that they share the store's commits.
        var running = new Task?[operations.Count];
        for (var i = 0; i < running.Length; i++)
        {
            running[i] = Begin(operations[i], call);
        }

        for (var i = 0; i < running.Length; i++)
        {
            if (running[i] is { } task)
            {
                await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        using var body = new PooledBuffer();
        using (var json = new Utf8JsonWriter(body, WireJson.WriterOptions))
        {
            json.WriteStartObject();
            json.WriteStartArray(WireNames.Results);
            for (var i = 0; i < running.Length; i++)
            {
                WriteResult(json, operations[i], running[i], call);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        await call.WriteJsonAsync(200, body).ConfigureAwait(false);
    }

    private static async Task CommitAsync(ApiCall call)
    {
        var transaction = await call.ReadJsonAsync(static (ref json) => TransactionWire.Read(ref json)).ConfigureAwait(false);
        RequireRoom(transaction.Operations.Count - 1, call.Instance.Limits.MaxBatch);
        foreach (var operation in transaction.Operations)
        {
            RequirePermission(call, operation);
        }

        var result = await call.Instance.Client.Require<IQueueTransactions>().CommitAsync(transaction, call.Aborted).ConfigureAwait(false);
        await call.WriteAsync(200, json => TransactionWire.WriteResult(json, result)).ConfigureAwait(false);
    }

    private static void RequirePermission(ApiCall call, QueueOperation operation)
    {
        switch (operation)
        {
            case QueueOperation.Enqueue enqueue:
                ResourceName.Require(enqueue.Queue, "queue");
                call.Require(Permission.Send, ResourceKind.Queue, enqueue.Queue);
                break;
            case QueueOperation.Publish publish:
                TopicPattern.RequireTopic(publish.Topic);
                call.Require(Permission.Send, ResourceKind.Topic, publish.Topic);
                break;
            case QueueOperation.Settle settle:
                ResourceName.RequireQueue(settle.Queue);
                call.Require(Permission.Receive, ResourceKind.Queue, settle.Queue);
                break;
        }
    }

    // Null when it was done at once, which most are in memory.
    private static Task? Begin(RequestedOperation operation, ApiCall call)
    {
        try
        {
            var running = operation.BeginAsync(call);
            return running.IsCompletedSuccessfully ? null : running.AsTask();
        }
        catch (Exception exception)
        {
            return Task.FromException(exception);
        }
    }

    private static void WriteResult(Utf8JsonWriter json, RequestedOperation operation, Task? task, ApiCall call)
    {
        json.WriteStartObject();
        if (task is null or { IsCompletedSuccessfully: true })
        {
            json.WritePropertyName(WireNames.Result);
            operation.WriteResult(json);
        }
        else
        {
            var exception = task.Exception?.InnerException ?? new OperationCanceledException();
            if (exception is AccessDeniedException)
            {
                call.Instance.Audit.Record(call.Context, operation.Kind, operation.Target, AuditOutcome.Denied);
            }

            var problem = ProblemAnswer.Report(exception, call.Context, call.Instance.Logger);
            json.WritePropertyName(WireNames.Problem);
            problem.Write(json);
        }

        json.WriteEndObject();
    }

    private static void RequireRoom(int count, int maxBatch)
    {
        if (count >= maxBatch)
        {
            throw new InvalidMessageException($"The request has more than {maxBatch:N0} elements, which is the most that this server takes at once. Nothing of it was done.");
        }
    }
}
