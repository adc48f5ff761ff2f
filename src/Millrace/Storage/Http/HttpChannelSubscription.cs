using System.Net.ServerSentEvents;
using Millrace.Diagnostics;
using Millrace.Hosting;
using Millrace.Storage.Http.Wire;

namespace Millrace.Storage.Http;

/// <summary>
/// A stream of server-sent events, read into a bounded buffer. When the connection is lost, it is opened again after the last message that came; where nothing had come
/// yet, a gap marker says that something may be missing (law C1).
/// </summary>
internal sealed class HttpChannelSubscription : IChannelSubscription
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    private readonly HttpChannelTransport _transport;
    private readonly ApiConnection _connection;
    private readonly TopicPattern _pattern;
    private readonly SubscriptionBuffer _buffer;
    private readonly string _path;
    private readonly CancellationTokenSource _closing;
    private ChannelMessageId? _last;
    private Task _reading = Task.CompletedTask;

    public HttpChannelSubscription(HttpChannelTransport transport, ApiConnection connection, TopicPattern pattern, SubscriptionOptions options)
    {
        _transport = transport;
        _connection = connection;
        _pattern = pattern;
        _buffer = new SubscriptionBuffer(options);
        _last = options.ResumeAfter;
        _closing = CancellationTokenSource.CreateLinkedTokenSource(connection.Closing);
        var whenFull = options.WhenFull switch
        {
            SlowSubscriberPolicy.DropNewest => "drop-newest",
            SlowSubscriberPolicy.Disconnect => "disconnect",
            _ => "drop-oldest",
        };
        _path = ApiPath.Channel(pattern.Text, "events")
            + ApiPath.Query(
                ("format", "json"), ("whenFull", whenFull), ("capacity", WireValues.Text(options.Capacity)), ("maxBytes", WireValues.Text(options.MaxBytes)));
    }

    public SubscriptionStats Stats => _buffer.Stats;

    /// <summary>Opens the stream. When this has returned, the server has subscribed.</summary>
    public async ValueTask OpenAsync(CancellationToken cancellationToken)
    {
        var response = await _connection.OpenStreamAsync(_path, _last?.ToString(), cancellationToken).ConfigureAwait(false);
        _reading = Task.Run(() => ReadAlwaysAsync(response), CancellationToken.None);
    }

    public ValueTask<int> ReadAsync(Memory<ChannelMessage> into, CancellationToken cancellationToken = default) => _buffer.ReadAsync(into, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync().ConfigureAwait(false);
        _buffer.Close();
        await _reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _transport.Forget(this);
    }

    private async Task ReadAlwaysAsync(HttpResponseMessage? response)
    {
        var backoff = new Backoff(FirstPause, LongestPause);
        while (!_closing.IsCancellationRequested)
        {
            try
            {
                response ??= await ReopenAsync().ConfigureAwait(false);
                backoff.Reset();
                if (!await ReadOneAsync(response).ConfigureAwait(false))
                {
                    return;
                }
            }
            catch (MillraceException exception) when (!exception.IsTransient)
            {
                _connection.Logger.SubscriptionFailed(exception, _pattern.Text);
                _buffer.Disconnect();
                return;
            }
            catch (Exception exception) when (exception is MillraceException or IOException or HttpRequestException or OperationCanceledException or ObjectDisposedException)
            {
                if (_closing.IsCancellationRequested)
                {
                    return;
                }

                _connection.Logger.SubscriptionCut(exception, _pattern.Text);
            }

            response = null;
            await Task.Delay(backoff.Next(), _connection.TimeProvider, _closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<HttpResponseMessage> ReopenAsync()
    {
        var response = await _connection.OpenStreamAsync(_path, _last?.ToString(), _closing.Token).ConfigureAwait(false);
        if (_last is null)
        {
            _buffer.Add(new ChannelMessage { Id = default, Topic = "", IsGap = true });
        }

        return response;
    }

    /// <summary>Reads one stream to its end.</summary>
    /// <returns>False when the subscription has ended.</returns>
    private async Task<bool> ReadOneAsync(HttpResponseMessage response)
    {
        using (response)
        {
            var stream = new LivelyStream(await response.Content.ReadAsStreamAsync(_closing.Token).ConfigureAwait(false), _closing.Token);
            await using (stream.ConfigureAwait(false))
            {
                await foreach (var item in SseParser.Create(stream, Parse).EnumerateAsync(_closing.Token).ConfigureAwait(false))
                {
                    if (item.Data is { } message)
                    {
                        _last = message.Id;
                        if (!_buffer.Add(message))
                        {
                            return false;
                        }
                    }
                    else if (item.EventType == EventNames.Disconnected)
                    {
                        _buffer.Disconnect();
                        return false;
                    }
                }
            }
        }

        return true;
    }

    private ChannelMessage? Parse(string eventType, ReadOnlySpan<byte> data)
    {
        switch (eventType)
        {
            case EventNames.Message or EventNames.Gap:
                var message = new WireReader(data, isStrict: false);
                return ChannelMessageWire.Read(ref message);
            case EventNames.Dropped:
                var count = new WireReader(data, isStrict: false);
                _buffer.AddDropped(count.Number(0, long.MaxValue));
                return null;
            default:
                return null;
        }
    }
}
