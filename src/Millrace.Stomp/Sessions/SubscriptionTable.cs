using System.Globalization;
using Millrace.Stomp.Codec;
using Millrace.Stomp.Security;
using Millrace.Storage;

namespace Millrace.Stomp.Sessions;

/// <summary>SUBSCRIBE and UNSUBSCRIBE: the subscriptions of one session. Touched by its session only, but for <see cref="Describe"/>.</summary>
internal sealed class SubscriptionTable(SessionContext session, TemporaryQueues temporaryQueues)
{
    private readonly Dictionary<string, Entry> _byId = new(StringComparer.Ordinal);
    private readonly Dictionary<int, Entry> _byNumber = [];
    private readonly Lock _gate = new();
    private int _lastNumber;
    private long _prefetch;

    /// <summary>Every subscription, the oldest first.</summary>
    public IEnumerable<Subscription> All => _byNumber.Values.Select(entry => entry.Subscription);

    /// <summary>The subscription of a number; null if there is none.</summary>
    public Subscription? Find(int number) => _byNumber.TryGetValue(number, out var entry) ? entry.Subscription : null;

    /// <summary>The subscription of an id, or none.</summary>
    public IEnumerable<Subscription> FindAll(string id) => _byId.TryGetValue(id, out var entry) ? [entry.Subscription] : [];

    /// <summary>The subscriptions as they are now. Safe for concurrent use.</summary>
    public StompSubscriptionInfo[] Describe()
    {
        lock (_gate)
        {
            return [.. _byNumber.Values.Select(entry => entry.Subscription.Describe())];
        }
    }

    /// <summary>SUBSCRIBE: messages may come when this has ended.</summary>
    public async ValueTask SubscribeAsync(StompFrame frame, CancellationToken cancellationToken)
    {
        var text = frame.Get(KnownHeader.Destination) ?? throw new StompFaultException("malformed frame", "A SUBSCRIBE frame must have a destination.");
        var id = frame.Get(KnownHeader.Id);
        if (id is null && session.Version != StompVersion.V10)
        {
            throw new StompFaultException("malformed frame", "A SUBSCRIBE frame must have an id.");
        }

        if (frame.Has(KnownHeader.Selector))
        {
            throw new StompFaultException("not supported", "The broker has no selectors: subscribe to a destination of its own, or to a pattern of topics.");
        }

        var mode = AckModes.Parse(frame.Get(KnownHeader.Ack))
            ?? throw new StompFaultException("malformed frame", $"The ack header must be auto, client or client-individual, not '{Destination.Shown(frame.Get(KnownHeader.Ack)!)}'.");
        var destination = Destination.Parse(text);
        var implied = destination.Kind == DestinationKind.TemporaryQueue ? FindImplied(text) : null;
        if (implied is not null)
        {
            await RemoveAsync(implied).ConfigureAwait(false);
        }

        RequireRoom(KeyOf(id, text));
        var prefetch = IsHeld(frame, destination) ? TakePrefetch(ReadPrefetch(frame)) : 0;
        var request = new SubscriptionRequest
        {
            Id = id,
            Number = ++_lastNumber,
            Destination = text,
            FixedDestination = text,
            Mode = mode,
            Prefetch = prefetch,
            Version = session.Version,
        };
        await AddAsync(await CreateAsync(frame, request, destination, cancellationToken).ConfigureAwait(false), KeyOf(id, text), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Subscribes to the temporary queues that a <c>reply-to</c> has named first: their messages come with the destination as the subscription's id.</summary>
    public async ValueTask SubscribeImpliedAsync(CancellationToken cancellationToken)
    {
        foreach (var name in temporaryQueues.TakeImplied())
        {
            var text = Destination.TemporaryPrefix + name;
            if (_byNumber.Values.Any(entry => entry.Subscription.Request.Destination == text))
            {
                continue;
            }

            RequireRoom(text);
            var request = new SubscriptionRequest
            {
                Id = text,
                Number = ++_lastNumber,
                Destination = text,
                FixedDestination = text,
                Mode = AckMode.Auto,
                Prefetch = TakePrefetch(session.Resources.Options.Prefetch),
                Version = session.Version,
            };
            var queue = await temporaryQueues.OpenAsync(name, cancellationToken).ConfigureAwait(false);
            var entry = new Entry(new QueueSubscription(session.Resources, session.Output, request, queue), StompPermit.Endless) { IsImplied = true };
            await AddAsync(entry, KeyOf(text, text), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>UNSUBSCRIBE: nothing comes any more; with <c>durable:true</c> a durable subscription is deleted too.</summary>
    public async ValueTask UnsubscribeAsync(StompFrame frame, CancellationToken cancellationToken)
    {
        var id = frame.Get(KnownHeader.Id);
        var destination = frame.Get(KnownHeader.Destination);
        if (id is null && (session.Version != StompVersion.V10 || destination is null))
        {
            throw new StompFaultException("malformed frame", session.Version == StompVersion.V10
                ? "An UNSUBSCRIBE frame must have an id or a destination."
                : "An UNSUBSCRIBE frame must have an id.");
        }

        // In 1.0 a subscription with an id may be named by its destination as well.
        var entry = _byId.GetValueOrDefault(KeyOf(id, destination ?? ""))
            ?? (id is null ? _byNumber.Values.FirstOrDefault(entry => entry.Subscription.Request.Destination == destination) : null);
        var durable = entry is null ? DurableSubscription.Read(frame, session, id) : entry.Durable;
        if (entry is not null)
        {
            await RemoveAsync(entry).ConfigureAwait(false);
        }

        // One that is kept may be deleted without being subscribed to again first.
        var isDeleted = durable is not null && DurableSubscription.IsRequested(frame) && await durable.DeleteAsync(session, cancellationToken).ConfigureAwait(false);
        if (entry is null && !isDeleted)
        {
            throw new StompFaultException("no such subscription", $"The connection has no subscription '{Destination.Shown(id ?? destination!)}'.");
        }
    }

    /// <summary>The connection ends, and all of them with it.</summary>
    public async ValueTask CloseAllAsync()
    {
        foreach (var entry in _byNumber.Values.ToArray())
        {
            await RemoveAsync(entry).ConfigureAwait(false);
        }
    }

    private async ValueTask<Entry> CreateAsync(StompFrame frame, SubscriptionRequest request, Destination destination, CancellationToken cancellationToken)
    {
        var resources = session.Resources;
        var (output, text) = (session.Output, request.Destination);
        switch (destination.Kind)
        {
            case DestinationKind.Queue or DestinationKind.DeadLetters:
                resources.RequireQueues(text);
                ResourceName.Require(destination.Name, "queue");
                var queue = destination.Kind == DestinationKind.Queue ? destination.Name : ResourceName.DeadLetterQueueOf(destination.Name);
                var permit = session.Require(StompAccess.Receive, StompResource.Queue, destination.Name, text);
                if (!IsBrowser(frame))
                {
                    return new Entry(new QueueSubscription(resources, output, request, queue), permit);
                }

                resources.RequireAdministration(text);
                return new Entry(new BrowseSubscription(resources, output, request, queue), permit);
            case DestinationKind.TemporaryQueue:
                resources.RequireAdministration(text);
                var temporary = await temporaryQueues.OpenAsync(destination.Name, cancellationToken).ConfigureAwait(false);
                return new Entry(new QueueSubscription(resources, output, request, temporary), StompPermit.Endless);
            case DestinationKind.Stream:
                resources.RequireStreams(text);
                ResourceName.Require(destination.Name, "stream");
                var place = StreamPlace.Read(frame, destination.Name, request.Mode);
                var reading = session.Require(StompAccess.Receive, StompResource.Stream, destination.Name, text);
                return new Entry(new StreamSubscription(resources, output, request, place), reading);
            case DestinationKind.Topic:
                return await CreateForTopicAsync(frame, request, destination, cancellationToken).ConfigureAwait(false);
            default:
                throw new StompFaultException("invalid destination", $"'{Destination.Shown(text)}' can be sent to, and not subscribed to.");
        }
    }

    private async ValueTask<Entry> CreateForTopicAsync(StompFrame frame, SubscriptionRequest request, Destination destination, CancellationToken cancellationToken)
    {
        var resources = session.Resources;
        var pattern = TopicPattern.Parse(destination.Name);
        var permit = session.Require(StompAccess.Receive, StompResource.Topic, destination.Name, request.Destination);
        if (DurableSubscription.Read(frame, session, request.Id) is { } durable)
        {
            var groupPermit = durable.RequirePermit(session, request.Destination);
            await durable.BindAsync(session, pattern, cancellationToken).ConfigureAwait(false);
            var copies = new QueueSubscription(resources, session.Output, request with { FixedDestination = null }, durable.Queue, isTopicCopy: true);
            return new Entry(copies, permit) { Durable = durable, SecondPermit = groupPermit };
        }

        resources.RequireChannels(request.Destination);
        var live = pattern.IsLiteral ? request : request with { FixedDestination = null };
        return new Entry(new TopicSubscription(resources, session.Output, live, pattern), permit);
    }

    private async ValueTask AddAsync(Entry entry, string key, CancellationToken cancellationToken)
    {
        entry.Key = key;
        _byId.Add(key, entry);
        lock (_gate)
        {
            _byNumber.Add(entry.Subscription.Request.Number, entry);
        }

        await entry.Subscription.OpenAsync(cancellationToken).ConfigureAwait(false);
        entry.Watch(session);
    }

    private async ValueTask RemoveAsync(Entry entry)
    {
        _byId.Remove(entry.Key);
        lock (_gate)
        {
            _byNumber.Remove(entry.Subscription.Request.Number);
        }

        _prefetch -= entry.Subscription.Request.Prefetch;
        await entry.CloseAsync().ConfigureAwait(false);
    }

    /// <summary>Whether messages wait for the client in its subscription. Live topics and looks have bounds of their own.</summary>
    private static bool IsHeld(StompFrame frame, Destination destination) => destination.Kind == DestinationKind.Topic
        ? DurableSubscription.IsRequested(frame) || frame.Has(KnownHeader.DurableGroup)
        : !IsBrowser(frame);

    private static bool IsBrowser(StompFrame frame) => frame.GetRaw(KnownHeader.Browser).SequenceEqual("true"u8);

    private void RequireRoom(string key)
    {
        var options = session.Resources.Options;
        if (_byId.TryGetValue(key, out var entry))
        {
            throw new StompFaultException("subscription exists", $"The connection has a subscription '{Destination.Shown(entry.Subscription.Request.Id ?? entry.Subscription.Request.Destination)}' already.");
        }

        if (_byId.Count >= options.MaxSubscriptions)
        {
            throw new StompFaultException("too many subscriptions", $"The connection has {_byId.Count:N0} subscriptions, which is the limit.");
        }
    }

    // 0 is "as many as you like" to clients of other brokers.
    private int ReadPrefetch(StompFrame frame)
    {
        var options = session.Resources.Options;
        if (frame.Get(KnownHeader.Prefetch) is not { } text)
        {
            return options.Prefetch;
        }

        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            ? count == 0 ? options.MaxUnacknowledged : Math.Min(count, options.MaxUnacknowledged)
            : throw new StompFaultException("malformed frame", $"The prefetch must be a whole number of 0 or more, not '{Destination.Shown(text)}'.");
    }

    private int TakePrefetch(int wanted)
    {
        var left = session.Resources.Options.MaxUnacknowledged - _prefetch;
        if (left < 1)
        {
            throw new StompFaultException("too many unacknowledged messages", $"The subscriptions of this connection may hold {_prefetch:N0} messages together, which is the limit: ask for less prefetch.");
        }

        var taken = (int)Math.Min(wanted, left);
        _prefetch += taken;
        return taken;
    }

    private Entry? FindImplied(string destination) => _byNumber.Values.FirstOrDefault(entry => entry.IsImplied && entry.Subscription.Request.Destination == destination);

    // Ids and destinations are told apart by a character that no header can begin with after it was unescaped and checked.
    private static string KeyOf(string? id, string destination) => id is null ? "\0" + destination : id;

    /// <summary>A subscription with what belongs to it.</summary>
    private sealed class Entry(Subscription subscription, StompPermit permit)
    {
        private readonly List<CancellationTokenRegistration> _watches = [];

        public Subscription Subscription => subscription;

        public string Key { get; set; } = "";

        public bool IsImplied { get; init; }

        public DurableSubscription? Durable { get; init; }

        public StompPermit? SecondPermit { get; init; }

        /// <summary>Ends the connection when the permission is taken away.</summary>
        public void Watch(SessionContext session)
        {
            foreach (var held in new[] { permit, SecondPermit })
            {
                if (held is not null && held.Lost.CanBeCanceled)
                {
                    _watches.Add(held.Lost.Register(() => session.Output.Fail(
                        new StompFault("access denied", $"The user '{session.Caller?.Name}' may not subscribe to '{Destination.Shown(subscription.Request.Destination)}' any more."))));
                }
            }
        }

        public async ValueTask CloseAsync()
        {
            foreach (var watch in _watches)
            {
                await watch.DisposeAsync().ConfigureAwait(false);
            }

            await subscription.DisposeAsync().ConfigureAwait(false);
            permit.Dispose();
            SecondPermit?.Dispose();
        }
    }
}
