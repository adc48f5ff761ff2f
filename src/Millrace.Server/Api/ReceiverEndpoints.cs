using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Millrace.Server.Security;
using Millrace.Serialization;
using Millrace.Storage;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>Receivers: leasing by long polling, renewing, giving up; settling; and receiving one message without a receiver.</summary>
internal static class ReceiverEndpoints
{
    /// <summary>The longest lease: 49 days, which is what timers take, and long enough for what its holder renews.</summary>
    public const long LongestLeaseMs = 49L * 24 * 60 * 60 * 1000;

    private static readonly NumberParameter WaitMs = new("waitMs", "How long to wait for a message, in milliseconds.", 0, 0, long.MaxValue);
    private static readonly NumberParameter LeaseMs = new("leaseMs", "How long the lease holds, in milliseconds.", 30_000, 1, LongestLeaseMs);
    private static readonly ChoiceParameter<bool> SettleOnLease = new("settleOnLease", "Whether it is settled by being leased: at most once.", ("false", false), ("true", true));

    public static readonly ApiRoute[] Routes =
    [
        new(HttpMethods.Post, "queues/{queue}/receivers", "Opens a receiver: the owner of the leases that it takes.", OpenAsync)
        {
            Body = ApiBody.OptionalJson("ReceiverOptions"),
            Answer = "Receiver",
            Success = [201],
            Problems = [ProblemMap.InvalidSettings],
        },
        new(HttpMethods.Post, "receivers/{receiver}/lease", "Leases messages, waiting for a first one.", LeaseAsync)
        {
            Body = ApiBody.Json("LeaseRequest"),
            Answer = "Deliveries",
            Problems = [ProblemMap.ReceiverNotFound, ProblemMap.QueueNotFound],
        },
        new(HttpMethods.Post, "receivers/{receiver}/cancel", "Ends the wait of a lease call.", CancelAsync)
        {
            Body = ApiBody.Json("CancelRequest"),
            Problems = [ProblemMap.ReceiverNotFound],
        },
        new(HttpMethods.Post, "receivers/{receiver}/renew", "Prolongs every lease of a receiver, and names those that were lost.", RenewAsync) { Answer = "LostLeases", Problems = [ProblemMap.ReceiverNotFound] },
        new(HttpMethods.Delete, "receivers/{receiver}", "Closes a receiver; what it has open goes back at once.", CloseAsync) { Problems = [ProblemMap.ReceiverNotFound] },
        new(HttpMethods.Post, "queues/{queue}/receive", "Leases one message: the answer's body is the message's; 204 when none came in time.", ReceiveAsync)
        {
            Query = [WaitMs, LeaseMs, SettleOnLease],
            AnswerType = "*/*",
            Success = [200, 204],
        },
        new(HttpMethods.Post, "queues/{queue}/settlements", "Settles deliveries by their tokens.", SettleAsync)
        {
            Body = ApiBody.Json("Settlements"),
            Answer = "SettleResult",
            Problems = [ProblemMap.InvalidMessage],
        },
    ];

    private static async Task OpenAsync(ApiCall call)
    {
        var queue = call.Queue(Permission.Receive);
        var options = await call.ReadJsonAsync(ReadOptions, static () => new ReceiverOptions()).ConfigureAwait(false);
        var receiver = await call.Instance.Receivers.OpenAsync(call.Caller.Name, queue, call.Instance.Queues, options, call.Aborted).ConfigureAwait(false);
        call.Context.Response.Headers.Location = $"{call.Instance.Root}/receivers/{receiver.Id}";
        await call.WriteAsync(201, json =>
        {
            json.WriteStartObject();
            json.WriteString(WireNames.Receiver, receiver.Id);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static async Task LeaseAsync(ApiCall call)
    {
        if (await FindAsync(call).ConfigureAwait(false) is not { } receiver)
        {
            return;
        }

        var (number, max, wait) = await call.ReadJsonAsync((ref json) => ReadLease(ref json, call.Instance.Limits.MaxBatch)).ConfigureAwait(false);
        Delivery[] deliveries;
        try
        {
            deliveries = await receiver.LeaseAsync(number, max, call.Wait(wait), call.Aborted, call.Instance.Stopping).ConfigureAwait(false);
        }
        catch (ObjectDisposedException) when (!call.Instance.Stopping.IsCancellationRequested)
        {
            await NotFoundAsync(call, receiver.Id).ConfigureAwait(false);
            return;
        }

        // An empty answer would be asked for again at once, and again.
        if (deliveries.Length == 0)
        {
            call.RequireServing();
        }

        try
        {
            await WriteDeliveriesAsync(call, deliveries).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or ObjectDisposedException)
        {
            await HandBackAsync(call, receiver, number).ConfigureAwait(false);
        }
    }

    private static async Task CancelAsync(ApiCall call)
    {
        if (await FindAsync(call).ConfigureAwait(false) is not { } receiver)
        {
            return;
        }

        var number = await call.ReadJsonAsync(static (ref json) =>
        {
            var number = 0L;
            json.BeginObject();
            while (json.NextField())
            {
                if (json.Is(WireNames.Call))
                {
                    number = json.Number(1, long.MaxValue);
                }
                else
                {
                    json.Unknown(WireNames.Call);
                }
            }

            return RequireCall(number);
        }).ConfigureAwait(false);
        receiver.Cancel(number);
        await call.NoContentAsync().ConfigureAwait(false);
    }

    private static async Task RenewAsync(ApiCall call)
    {
        if (await FindAsync(call).ConfigureAwait(false) is not { } receiver)
        {
            return;
        }

        var lost = await receiver.RenewAsync(call.Aborted).ConfigureAwait(false);
        await call.WriteAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteStartArray(WireNames.Lost);
            foreach (var token in lost)
            {
                WireValues.WriteTokenValue(json, token);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static async Task CloseAsync(ApiCall call)
    {
        var id = call.Name("receiver");
        if (await call.Instance.Receivers.CloseAsync(id, call.Caller.Name).ConfigureAwait(false))
        {
            await call.NoContentAsync().ConfigureAwait(false);
        }
        else
        {
            await NotFoundAsync(call, id).ConfigureAwait(false);
        }
    }

    private static async Task ReceiveAsync(ApiCall call)
    {
        var queue = call.Queue(Permission.Receive);
        var wait = call.Wait(WaitMs.Read(call));
        var options = new ReceiverOptions
        {
            LeaseDuration = TimeSpan.FromMilliseconds(LeaseMs.Read(call)),
            SettleOnLease = SettleOnLease.Read(call),
        };
        var receiver = await call.Instance.Receivers.BorrowAsync(call.Caller.Name, queue, call.Instance.Queues, options, call.Aborted).ConfigureAwait(false);
        try
        {
            var number = receiver.NextCall();
            var deliveries = await receiver.LeaseAsync(number, 1, wait, call.Aborted, call.Instance.Stopping).ConfigureAwait(false);
            if (deliveries.Length == 0)
            {
                call.RequireServing();
                await call.NoContentAsync().ConfigureAwait(false);
                return;
            }

            try
            {
                MessageHeaderFields.Write(call.Context.Response, in deliveries[0]);
                var message = deliveries[0].Message;
                await call.WriteAsync(200, MessageHeaderFields.ContentTypeOf(message), message.Body).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is OperationCanceledException or IOException or ObjectDisposedException)
            {
                await HandBackAsync(call, receiver, number).ConfigureAwait(false);
            }
        }
        finally
        {
            call.Instance.Receivers.Return(receiver);
        }
    }

    private static async Task SettleAsync(ApiCall call)
    {
        var queue = call.Queue(Permission.Receive);
        var batch = await call.ReadJsonAsync((ref json) =>
        {
            var batch = new List<Settlement>();
            json.BeginObject();
            while (json.NextField())
            {
                if (json.Is(WireNames.Settlements))
                {
                    OperationEndpoints.ReadSettlements(ref json, batch, call.Instance.Limits.MaxBatch);
                }
                else
                {
                    json.Unknown(WireNames.Settlements);
                }
            }

            return batch.ToArray();
        }).ConfigureAwait(false);
        var results = new SettleResult[batch.Length];
        await call.Instance.Queues.SettleAsync(queue, batch, results, call.Aborted).ConfigureAwait(false);
        await call.WriteAsync(200, json => SettleResultWire.Write(json, results)).ConfigureAwait(false);
    }

    private static async ValueTask<RemoteReceiver?> FindAsync(ApiCall call)
    {
        var id = call.Name("receiver");
        var receiver = call.Instance.Receivers.Find(id, call.Caller.Name);
        if (receiver is null)
        {
            await NotFoundAsync(call, id).ConfigureAwait(false);
            return null;
        }

        // Each time: a user's permissions may have changed since it was opened.
        call.Require(Permission.Receive, ResourceKind.Queue, receiver.Queue);
        return receiver;
    }

    private static Task NotFoundAsync(ApiCall call, string id) => call.ProblemAsync(new(
        ProblemMap.ReceiverNotFound,
        404,
        "There is no such receiver",
        $"There is no receiver '{(id.Length <= 60 ? id : id[..60] + "…")}': it was closed, has been idle for too long, or the server was restarted. Open a new one."));

    private static async Task WriteDeliveriesAsync(ApiCall call, Delivery[] deliveries)
    {
        using var body = new PooledBuffer();
        using (var json = new Utf8JsonWriter(body, WireJson.WriterOptions))
        {
            json.WriteStartObject();
            json.WriteStartArray(WireNames.Deliveries);
            foreach (ref readonly var delivery in deliveries.AsSpan())
            {
                MessageWire.WriteDelivery(json, in delivery);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        call.Aborted.ThrowIfCancellationRequested();
        await call.WriteJsonAsync(200, body).ConfigureAwait(false);
    }

    private static async Task HandBackAsync(ApiCall call, RemoteReceiver receiver, long number)
    {
        try
        {
            await receiver.HandBackAsync(number).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is MillraceException or ObjectDisposedException)
        {
            call.Instance.Logger.HandBackFailed(exception, receiver.Queue);
        }
    }

    private static ReceiverOptions ReadOptions(ref WireReader json)
    {
        var options = new ReceiverOptions();
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(WireNames.LeaseMs))
            {
                options = options with { LeaseDuration = Bounded(json.Milliseconds()) };
            }
            else if (json.Is(WireNames.SettleOnLease))
            {
                options = options with { SettleOnLease = json.Boolean() };
            }
            else
            {
                json.Unknown(WireNames.LeaseMs, WireNames.SettleOnLease);
            }
        }

        options.Validate();
        return options;
    }

    /// <summary>A lease that is not longer than the longest.</summary>
    public static TimeSpan Bounded(TimeSpan lease) => lease.TotalMilliseconds <= LongestLeaseMs
        ? lease
        : throw new WireFormatException(string.Create(CultureInfo.InvariantCulture, $"The field 'leaseMs' must be at most {LongestLeaseMs}, which is 49 days."));

    private static (long Call, int Max, long WaitMs) ReadLease(ref WireReader json, int maxBatch)
    {
        var (number, max, wait) = (0L, 1, 0L);
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(WireNames.Call))
            {
                number = json.Number(1, long.MaxValue);
            }
            else if (json.Is(WireNames.Max))
            {
                max = (int)Math.Min(json.Number(1, long.MaxValue), maxBatch);
            }
            else if (json.Is(WireNames.WaitMs))
            {
                wait = json.Milliseconds() is var time && time >= TimeSpan.Zero
                    ? (long)Math.Ceiling(time.TotalMilliseconds)
                    : throw new WireFormatException("The field 'waitMs' must not be negative.");
            }
            else
            {
                json.Unknown(WireNames.Call, WireNames.Max, WireNames.WaitMs);
            }
        }

        return (RequireCall(number), max, wait);
    }

    private static long RequireCall(long number) =>
        number == 0 ? throw new WireFormatException("The field 'call' is missing: number the lease calls of a receiver from 1.") : number;
}
